"""What a run leaves, in other people's formats: CZML, Chrome trace JSON, GeoJSON, CSV and Parquet; one module each."""
