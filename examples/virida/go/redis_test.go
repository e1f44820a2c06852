package main

import (
	"bufio"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestCommandIsAnArrayOfBulkStrings(t *testing.T) {
	if got := encode([]string{"SET", "k", "é"}); got != "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\né\r\n" {
		t.Errorf("%q", got)
	}
}

func TestReplies(t *testing.T) {
	cases := []struct{ reply, value, problem string }{
		{"+OK\r\n", "OK", ""},
		{"$5\r\na\r\nbc\r\n", "a\r\nbc", ""},
		{"$-1\r\n", "", "no such key"},
		{"-ERR wrong\r\n", "", "redis: ERR wrong"},
		{"*0\r\n", "", `redis: unexpected reply "*0\r\n"`},
		{"$9\r\nshort", "", "unexpected EOF"},
		{"", "", "EOF"},
	}
	for _, c := range cases {
		value, err := decode(bufio.NewReader(strings.NewReader(c.reply)))
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if problem != c.problem || (err == nil && value != c.value) {
			t.Errorf("%q gives %q, %q", c.reply, value, problem)
		}
	}
}

// Runs against the real service where there is one, as in CI.
func TestRealRedis(t *testing.T) {
	address := os.Getenv("REDIS_ADDRESS")
	if address == "" {
		t.Skip("REDIS_ADDRESS is not set")
	}
	store := &Redis{Address: address, Timeout: 5 * time.Second}
	if err := store.Set("sensor:real", "wet\r\nand green"); err != nil {
		t.Fatal(err)
	}
	if value, err := store.Get("sensor:real"); err != nil || value != "wet\r\nand green" {
		t.Errorf("%q, %v", value, err)
	}
	if _, err := store.Get("sensor:none"); !errors.Is(err, ErrMissing) {
		t.Errorf("%v", err)
	}
}
