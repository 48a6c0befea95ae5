module strategy

go 1.19
