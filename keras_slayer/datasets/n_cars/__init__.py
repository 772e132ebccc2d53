"""N-CARS (Sironi et al. 2018)."""
