//! Appraises Quoth evidence and receipts: bytes, policy and time in, typed verdict out.
