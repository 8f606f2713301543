"""The pretrained models that training starts from."""
