//! From text to ids and back: bytes, or byte-pair encodings.

use crate::CorpusError;

/// How a text becomes ids.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Tokenizer {
    /// Id = byte, 256 of them.
    Bytes,
    /// Byte-pair encoding.
    #[cfg(feature = "bpe")]
    Bpe(Box<crate::Bpe>),
}

impl Tokenizer {
    /// Number of ids.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Bytes => 256,
            #[cfg(feature = "bpe")]
            Self::Bpe(bpe) => bpe.vocabulary(),
        }
    }

    /// The ids of a text.
    ///
    /// # Errors
    /// If the tokenizer's file asks for something that the text does not allow.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, CorpusError> {
        match self {
            Self::Bytes => Ok(text.bytes().map(u32::from).collect()),
            #[cfg(feature = "bpe")]
            Self::Bpe(bpe) => bpe.encode(text),
        }
    }

    /// The text of ids; what is not UTF-8, as where a character is cut, becomes U+FFFD.
    ///
    /// # Errors
    /// If an id is not in the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, CorpusError> {
        match self {
            Self::Bytes => {
                let byte = |&id: &u32| {
                    u8::try_from(id).map_err(|_| CorpusError::setting("byte token", id, "0 to 255"))
                };
                let bytes = ids.iter().map(byte).collect::<Result<Vec<u8>, _>>()?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            #[cfg(feature = "bpe")]
            Self::Bpe(bpe) => bpe.decode(ids),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_back(text: String) {
            let ids = Tokenizer::Bytes.encode(&text).unwrap();
            prop_assert_eq!(ids.len(), text.len());
            prop_assert_eq!(Tokenizer::Bytes.decode(&ids).unwrap(), text);
        }
    }

    #[test]
    fn an_id_that_is_no_byte_is_named() {
        let message = Tokenizer::Bytes.decode(&[65, 256]).unwrap_err().to_string();
        assert_eq!(message, "byte token = 256: must be 0 to 255");
    }
}
