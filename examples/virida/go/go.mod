module virida.example/service

go 1.19
