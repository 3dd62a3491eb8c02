"""`orbitmesh calibrate`: from a measured host to a processor file."""
