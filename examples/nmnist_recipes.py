"""Settings of nmnist.py, beside this module: of training alone, the neurons are the defaults."""

# What trains well on the 800 recordings of the N-MNIST sample, changed anew in each epoch: moved,
# turned and scaled, and stretched and sheared as well, as handwriting differs. All of it was chosen
# on held-out recordings. Five layers want smaller steps than two.
RECIPES = {
    "mlp": {
        "dt": 1.0,
        "learning_rate": 3e-3,
        "epochs": 30,
        "dropout": 0.3,
        "stretch": 0.15,
        "shear": 0.2,
    },
    "cnn": {
        "dt": 3.0,
        "learning_rate": 2e-3,
        "epochs": 15,
        "dropout": 0.3,
        "stretch": 0.15,
        "shear": 0.2,
    },
}

# The authors' network at their 1 ms steps.
PAPER = {
    "dt": 1.0,
    "learning_rate": 1e-3,
    "epochs": 10,
    "dropout": 0.3,
    "stretch": 0.0,
    "shear": 0.0,
}
