"""Figures of projects 1 and 2: points, equations, learning curves and decision boundaries."""
