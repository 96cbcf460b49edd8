"""The data of projects 1 and 2: labelled points in the plane."""
