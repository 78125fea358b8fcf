//! Values of sbatch's options, held to what Slurm reads: none can reach into the rest of the script.

use std::{fmt, str::FromStr};

/// A text that is no value of its option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OptionError(&'static str);

/// A time limit, in one of Slurm's six forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeLimit {
    text: String,
    seconds: u64,
}

impl TimeLimit {
    /// How long it is.
    pub fn seconds(&self) -> u64 {
        self.seconds
    }
}

impl FromStr for TimeLimit {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORMS: OptionError =
            OptionError("a time limit is MINUTES, MM:SS, HH:MM:SS, D-HH, D-HH:MM or D-HH:MM:SS, and not 0");
        let (days, clock) = text.split_once('-').map_or((None, text), |(days, clock)| (Some(days), clock));
        let number = |text: &str| {
            let digits = (1..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten().ok_or(FORMS)
        };
        let days = days.map(number).transpose()?;
        let parts = clock.split(':').map(number).collect::<Result<Vec<_>, _>>()?;
        let (hours, minutes, seconds) = match (days, &parts[..]) {
            (Some(_), &[h]) => (h, 0, 0),
            (Some(_), &[h, m]) => (h, m, 0),
            (None, &[m]) => (0, m, 0),
            (None, &[m, s]) => (0, m, s),
            (_, &[h, m, s]) => (h, m, s),
            _ => return Err(FORMS),
        };
        let seconds = ((days.unwrap_or(0) * 24 + hours) * 60 + minutes) * 60 + seconds;
        if seconds == 0 {
            return Err(FORMS); // to Slurm, no limit at all
        }
        Ok(Self { text: text.to_owned(), seconds })
    }
}

/// Memory a node: a number, megabytes or with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory(String);

impl FromStr for Memory {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_suffix(['K', 'M', 'G', 'T']).unwrap_or(text);
        if (1..=12).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(text.to_owned()));
        }
        Err(OptionError("memory is a number of megabytes, or a number with K, M, G or T, such as 16G"))
    }
}

/// The name of a partition or an account, or several with commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(String);

impl FromStr for Word {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.,@+".contains(c);
        if !text.is_empty() && text.chars().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(OptionError("a name has letters, digits and - _ . , @ + only"))
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_limit_is_as_long_as_sbatch_says() {
        // the forms in the manual page of sbatch(1)
        let cases = [
            ("30", 30 * 60),
            ("1:30", 90),
            ("10:00:00", 36_000),
            ("2-0", 172_800),
            ("1-12:30", 131_400),
            ("1-00:00:01", 86_401),
        ];
        for (text, seconds) in cases {
            assert_eq!(text.parse::<TimeLimit>().map(|t| t.seconds()), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_slurm_would_not_read_is_refused() {
        for text in
            ["", "0", "00:00", "1h", "-5", "1-", "1:2:3:4", "1-2:3:4:5", "1 2", "9999999", "1\n2", "٣"]
        {
            assert!(text.parse::<TimeLimit>().is_err(), "{text:?}");
        }
        for text in ["", "G", "16GB", "1.5G", "-1", "16 G", "0x10"] {
            assert!(text.parse::<Memory>().is_err(), "{text:?}");
        }
        for text in ["", "a b", "a\nb", "a;b", "$x", "a#b", "'a'"] {
            assert!(text.parse::<Word>().is_err(), "{text:?}");
        }
        assert!("16G".parse::<Memory>().is_ok() && "0".parse::<Memory>().is_ok());
        assert!("gpu,long-2.x".parse::<Word>().is_ok());
    }
}
