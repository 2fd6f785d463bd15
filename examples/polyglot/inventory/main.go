// The inventory service in Go: what is in stock, kept in memory.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

type wish struct {
	Item     string `json:"item"`
	Quantity int    `json:"quantity"`
}

type item struct {
	Grams   int `json:"grams"`
	InStock int `json:"in_stock"`
}

type inventory struct {
	mutex        sync.Mutex
	items        map[string]*item
	reservations map[string]wish
	// Ids that were released: a request to reserve that arrives late must not succeed.
	released map[string]bool
}

func (i *inventory) stock(w http.ResponseWriter, _ *http.Request) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	answer(w, http.StatusOK, i.items)
}

func (i *inventory) show(w http.ResponseWriter, r *http.Request) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	found, known := i.items[r.PathValue("item")]
	if !known {
		refuse(w, http.StatusNotFound, "no item `%s`", r.PathValue("item"))
		return
	}
	answer(w, http.StatusOK, found)
}

// PUT, because the caller chooses the id: sent twice, it reserves once.
func (i *inventory) reserve(w http.ResponseWriter, r *http.Request) {
	var wanted wish
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil || wanted.Quantity < 1 {
		refuse(w, http.StatusBadRequest, "expected an item and a quantity above 0 (%v)", err)
		return
	}
	i.mutex.Lock()
	defer i.mutex.Unlock()
	id := r.PathValue("id")
	held, again := i.reservations[id]
	found, known := i.items[wanted.Item]
	switch {
	case again && held == wanted:
		answer(w, http.StatusOK, held)
	case again || i.released[id]:
		refuse(w, http.StatusConflict, "this id was released, or reserved something else")
	case !known:
		refuse(w, http.StatusUnprocessableEntity, "no item `%s`", wanted.Item)
	case found.InStock < wanted.Quantity:
		refuse(w, http.StatusConflict, "%d of `%s` asked for, %d in stock", wanted.Quantity, wanted.Item, found.InStock)
	default:
		found.InStock -= wanted.Quantity
		i.reservations[id] = wanted
		answer(w, http.StatusCreated, wanted)
	}
}

func (i *inventory) release(w http.ResponseWriter, r *http.Request) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	id := r.PathValue("id")
	if held, reserved := i.reservations[id]; reserved {
		i.items[held.Item].InStock += held.Quantity
		delete(i.reservations, id)
	}
	i.released[id] = true
	w.WriteHeader(http.StatusNoContent)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("content-type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, format string, arguments ...any) {
	w.Header().Set("content-type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "status": status, "detail": fmt.Sprintf(format, arguments...),
	})
}

func main() {
	i := &inventory{
		items:        map[string]*item{"gopher": {Grams: 900, InStock: 100}, "snake": {Grams: 4000, InStock: 20}},
		reservations: map[string]wish{},
		released:     map[string]bool{},
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	routes.HandleFunc("GET /stock", i.stock)
	routes.HandleFunc("GET /stock/{item}", i.show)
	routes.HandleFunc("PUT /reservations/{id}", i.reserve)
	routes.HandleFunc("DELETE /reservations/{id}", i.release)

	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: routes}
	terminated, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	answered := make(chan struct{})
	go func() {
		<-terminated.Done()
		server.Shutdown(context.Background())
		close(answered)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-answered
}
