"""What documents look like: tables, figures, pages."""
