//! The whole of barbus from outside: processes, kills, bad input, and other people's readers. Each
//! module is one promise or one part of the command line; `support` is what they stand on.
#![forbid(unsafe_code)]
