"""Generated from proto/pdp/decision/v1 by `make gen`; only this line is written by hand."""
