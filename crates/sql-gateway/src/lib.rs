//! One local SQL address that follows the primary.
