"""What entries claim and the controls that must fail: literal data, read without being imported."""
