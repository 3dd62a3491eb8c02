"""What has to be done: tasks and arrivals, ONNX models, inference."""
