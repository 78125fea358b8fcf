//! What is left of curves where the runs together have more evaluations than memory should hold.

/// Early epochs, of which every evaluation is kept: the early dip of LAR lies in them.
pub const EARLY_EPOCHS: u64 = 40;
/// Parts of a decade of epochs at first; halved until what is kept fits.
const FINEST: u32 = 1 << 12;

/// How many of the evaluations a curve keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Every one.
    All,
    /// The first in each of so many parts of a decade of epochs, and all early ones.
    PerDecade(u32),
}

impl Resolution {
    /// Half as many parts.
    pub fn coarser(self) -> Self {
        match self {
            Self::All => Self::PerDecade(FINEST),
            Self::PerDecade(parts) => Self::PerDecade((parts / 2).max(1)),
        }
    }

    /// Leaves what is kept of `rows`, epochs increasing. To thin twice is to thin once, the coarser way.
    pub fn thin<T>(self, rows: &mut Vec<T>, epoch: impl Fn(&T) -> u64) {
        let mut before = None;
        rows.retain(|row| {
            let part = self.part(epoch(row));
            let is_first = part.is_none() || part != before;
            before = part;
            is_first
        });
        rows.shrink_to_fit();
    }

    /// The part of a decade that an epoch lies in; none where every epoch is kept.
    fn part(self, epoch: u64) -> Option<i64> {
        match self {
            Self::PerDecade(parts) if epoch > EARLY_EPOCHS => {
                Some((f64::from(parts) * (epoch as f64).log10()).floor() as i64)
            }
            _ => None,
        }
    }
}
