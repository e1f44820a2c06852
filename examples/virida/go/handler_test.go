package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

type memory map[string]string

func (m memory) Get(key string) (string, error) {
	value, ok := m[key]
	if !ok {
		return "", ErrMissing
	}
	return value, nil
}

func (m memory) Set(key, value string) error {
	m[key] = value
	return nil
}

type broken struct{}

func (broken) Get(string) (string, error) { return "", errors.New("refused") }
func (broken) Set(string, string) error   { return errors.New("refused") }

func TestHandler(t *testing.T) {
	cases := []struct {
		name, method, path, body string
		store                    Store
		status                   int
		answer                   string
	}{
		{"healthy", "GET", "/health", "", memory{}, 204, ""},
		{"stores", "PUT", "/sensors/a", `{"humidity":0.5,"temperature":20}`, memory{}, 204, ""},
		{"serves", "GET", "/sensors/a", "", memory{"sensor:a": "{}"}, 200, "{}"},
		{"unknown sensor", "GET", "/sensors/b", "", memory{}, 404, "no measurement of b\n"},
		{"no name", "GET", "/sensors/", "", memory{}, 404, "a sensor's name is needed\n"},
		{"not JSON", "PUT", "/sensors/a", "wet", memory{}, 400, ""},
		{"unknown field", "PUT", "/sensors/a", `{"light":1}`, memory{}, 400, ""},
		{"too humid", "PUT", "/sensors/a", `{"humidity":1.5}`, memory{}, 400, "humidity is from 0 to 1\n"},
		{"wrong method", "POST", "/sensors/a", "{}", memory{}, 405, "only GET and PUT\n"},
		{"store is down", "GET", "/sensors/a", "", broken{}, 502, "the store does not answer\n"},
		{"store is down for writing", "PUT", "/sensors/a", "{}", broken{}, 502, "the store does not answer\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			NewHandler(c.store).ServeHTTP(recorder, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
			answer, _ := io.ReadAll(recorder.Result().Body)
			if recorder.Code != c.status || (c.answer != "" && string(answer) != c.answer) {
				t.Errorf("%d %q, expected %d %q", recorder.Code, answer, c.status, c.answer)
			}
		})
	}
}

func TestStoredMeasurementIsServed(t *testing.T) {
	server := httptest.NewServer(NewHandler(memory{}))
	defer server.Close()
	request, _ := http.NewRequest("PUT", server.URL+"/sensors/a", strings.NewReader(`{"humidity":0.25,"temperature":21.5}`))
	if _, err := http.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	}
	response, err := http.Get(server.URL + "/sensors/a")
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(response.Body)
	if string(answer) != `{"humidity":0.25,"temperature":21.5}` {
		t.Errorf("served %q", answer)
	}
}
