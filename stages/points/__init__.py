"""Points in the plane, in classes: the data that projects 1 and 2 share."""
