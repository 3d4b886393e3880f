"""A deployment's plan as templates of CloudFormation and Terraform, for who applies those."""
