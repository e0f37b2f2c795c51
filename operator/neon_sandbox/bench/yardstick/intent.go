package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const intentAnnotation = "neontenants.io/create-intent"

// intent declares a create before it is sent, in the operator's form, so that both write as many bytes.
type intent struct {
	Form     int       `json:"form"`
	Nonce    string    `json:"nonce"`
	Holder   string    `json:"holder"`
	UID      types.UID `json:"uid"`
	Lifetime float64   `json:"lifetime"`
	Started  string    `json:"started"`
}

func newIntent(holder string, uid types.UID) intent {
	nonce := make([]byte, 8)
	rand.Read(nonce) // never fails, says its documentation
	return intent{
		Form:     1,
		Nonce:    hex.EncodeToString(nonce),
		Holder:   holder,
		UID:      uid,
		Lifetime: (5 * time.Minute).Seconds(),
		Started:  time.Now().UTC().Format(time.RFC3339),
	}
}

func (i intent) text() (string, error) {
	text, err := json.Marshal(i)
	return string(text), err
}
