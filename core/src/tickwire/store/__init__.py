"""The stored form in Arrow: schemas, journals, Parquet files, and reading them back."""
