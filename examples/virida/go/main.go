// Command virida-service keeps the latest measurement of each sensor in Redis and serves them over HTTP.
package main

import (
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	store := &Redis{Address: setting("REDIS_ADDRESS", "redis:6379"), Timeout: 2 * time.Second}
	server := &http.Server{
		Addr:              ":" + setting("PORT", "8080"),
		Handler:           NewHandler(store),
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Printf("listening on %s, measurements in %s", server.Addr, store.Address)
	log.Fatal(server.ListenAndServe())
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
