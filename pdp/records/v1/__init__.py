"""Generated from proto/pdp/records/v1 by `make gen`; only this line is written by hand."""
