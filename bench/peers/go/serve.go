// The servers: echo, and an answer in plain text by net/http.
package main

import (
	"net"
	"net/http"
	"strconv"
)

func listen(port int) net.Listener {
	listener, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		panic(err)
	}
	return listener
}

func echoConnection(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 512)
	for {
		got, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err = conn.Write(buffer[:got]); err != nil {
			return
		}
	}
}

func echo(port int) {
	listener := listen(port)
	for {
		conn, err := listener.Accept() // with TCP_NODELAY
		if err != nil {
			panic(err)
		}
		go echoConnection(conn)
	}
}

var body = []byte("Hello, World!")

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	w.Write(body)
}

func plaintext(port int) {
	panic(http.Serve(listen(port), http.HandlerFunc(hello)))
}
