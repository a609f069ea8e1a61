//! Images that appear more than once, within and across the split.
