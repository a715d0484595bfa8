module github.com/c236555e/rehead/nn/internal/_generate_neon

go 1.26
