module sluice/load

go 1.21
