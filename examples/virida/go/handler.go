package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Store keeps the latest measurement of a sensor.
type Store interface {
	Get(key string) (string, error)
	Set(key, value string) error
}

// ErrMissing says that a key has no value.
var ErrMissing = errors.New("no such key")

type measurement struct {
	Humidity    float64 `json:"humidity"`
	Temperature float64 `json:"temperature"`
}

// NewHandler serves GET and PUT of /sensors/NAME, and /health.
func NewHandler(store Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/sensors/", func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/sensors/")
		switch {
		case name == "" || strings.Contains(name, "/"):
			http.Error(w, "a sensor's name is needed", http.StatusNotFound)
		case r.Method == http.MethodGet:
			get(w, store, name)
		case r.Method == http.MethodPut:
			put(w, r, store, name)
		default:
			http.Error(w, "only GET and PUT", http.StatusMethodNotAllowed)
		}
	})
	return mux
}

func get(w http.ResponseWriter, store Store, name string) {
	value, err := store.Get("sensor:" + name)
	switch {
	case errors.Is(err, ErrMissing):
		http.Error(w, "no measurement of "+name, http.StatusNotFound)
	case err != nil:
		http.Error(w, "the store does not answer", http.StatusBadGateway)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(value))
	}
}

func put(w http.ResponseWriter, r *http.Request, store Store, name string) {
	var measured measurement
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&measured); err != nil {
		http.Error(w, "not a measurement: "+err.Error(), http.StatusBadRequest)
		return
	}
	if measured.Humidity < 0 || measured.Humidity > 1 {
		http.Error(w, "humidity is from 0 to 1", http.StatusBadRequest)
		return
	}
	value, _ := json.Marshal(measured)
	if err := store.Set("sensor:"+name, string(value)); err != nil {
		http.Error(w, "the store does not answer", http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
