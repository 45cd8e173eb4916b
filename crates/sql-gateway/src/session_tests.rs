//! The machine, fed by hand.
