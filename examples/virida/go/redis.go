package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Redis is a Store that speaks Redis's protocol (RESP), one connection a command.
type Redis struct {
	Address string
	Timeout time.Duration
}

// Get returns the value of key, or ErrMissing.
func (r *Redis) Get(key string) (string, error) { return r.do("GET", key) }

// Set stores value under key.
func (r *Redis) Set(key, value string) error {
	_, err := r.do("SET", key, value)
	return err
}

func (r *Redis) do(words ...string) (string, error) {
	connection, err := net.DialTimeout("tcp", r.Address, r.Timeout)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(r.Timeout)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(connection, encode(words)); err != nil {
		return "", err
	}
	return decode(bufio.NewReader(connection))
}

// encode writes a command as an array of bulk strings.
func encode(words []string) string {
	var command strings.Builder
	fmt.Fprintf(&command, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&command, "$%d\r\n%s\r\n", len(word), word)
	}
	return command.String()
}

// decode reads a simple string, an error or a bulk string.
func decode(reply *bufio.Reader) (string, error) {
	line, err := reply.ReadString('\n')
	if err != nil {
		return "", err
	}
	kind, rest := line[0], strings.TrimRight(line[1:], "\r\n")
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return "", errors.New("redis: " + rest)
	case '$':
		return decodeBulk(reply, rest)
	}
	return "", fmt.Errorf("redis: unexpected reply %q", line)
}

func decodeBulk(reply *bufio.Reader, length string) (string, error) {
	size, err := strconv.Atoi(length)
	if err != nil {
		return "", err
	}
	if size < 0 {
		return "", ErrMissing
	}
	value := make([]byte, size)
	_, err = io.ReadFull(reply, value)
	return string(value), err
}
