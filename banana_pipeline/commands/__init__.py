"""What the ``banana`` command does, one module per command. Reading arguments is ``cli``'s part."""
