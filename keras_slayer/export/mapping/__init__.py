"""Where the neurons of a network lie on the cores of a chip."""
