"""What crosses the wire between the kernel and the page: plain data, numpy and the standard library."""
