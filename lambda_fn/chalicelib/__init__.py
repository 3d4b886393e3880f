"""What the Lambda function does, in modules that know nothing of Chalice save `edge`."""
