//! The types of a prepared statement's parameters within the bytes of an execution. A client sends them with the
//! first execution only; another server must be told them again.

use wire::command::code;

/// Where in an execution the parameter types stand.
pub(super) struct ParameterTypes {
    /// The byte that says whether they are there, and its bit.
    flag: (usize, u8),
    pub(super) bound: bool,
    pub(super) at: usize,
    pub(super) length: usize,
}

impl ParameterTypes {
    pub(super) fn find(command: u8, payload: &[u8], parameters: u16) -> Option<Self> {
        let parameters = usize::from(parameters);
        if parameters == 0 {
            return None;
        }
        let (flag, bit) = if command == code::STMT_EXECUTE {
            (10 + parameters.div_ceil(8), 1)
        } else {
            // Flags of two bytes after the id; 128 means: types are sent.
            (5, 128)
        };
        let at = if command == code::STMT_EXECUTE {
            flag + 1
        } else {
            7
        };
        let bound = payload.get(flag)? & bit != 0;
        Some(Self {
            flag: (flag, bit),
            bound,
            at,
            length: 2 * parameters,
        })
    }

    pub(super) fn insert(&self, payload: &[u8], types: &[u8]) -> Vec<u8> {
        let mut out = payload.to_vec();
        if let Some(flag) = out.get_mut(self.flag.0) {
            *flag |= self.flag.1;
        }
        let at = self.at.min(out.len());
        out.splice(at..at, types.iter().copied());
        out
    }
}
