//! Devices, threads and memory.
