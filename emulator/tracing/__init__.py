"""The format of traces: blocks on disk, header and footer, writer, reader, tables, and what they are asked."""
