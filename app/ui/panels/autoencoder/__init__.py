"""The cards of the autoencoder lab."""
