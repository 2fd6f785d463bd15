module polyglot/inventory

go 1.22
