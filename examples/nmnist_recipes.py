"""Settings of nmnist.py, beside this module: of training alone, the neurons are the defaults."""

# What trains well on the 800 recordings of the N-MNIST sample, moved, turned and scaled anew in
# each epoch, and stretched and sheared, as handwriting differs. Chosen on held-out recordings: five
# layers want smaller steps than two, and more of them.
RECIPES = {
    "mlp": {
        "dt": 1.0,
        "learning_rate": 1.5e-3,
        "epochs": 30,
        "dropout": 0.3,
        "stretch": 0.15,
        "shear": 0.2,
    },
    "cnn": {
        "dt": 3.0,
        "learning_rate": 1e-3,
        "epochs": 45,
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
