"""The command line: one file per noun, each a thin shape over `store`."""
