"""What the theory of variational inference says of problems small enough to be computed: by quadrature, not by drawing."""
