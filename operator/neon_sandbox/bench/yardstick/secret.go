package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const secretType = "servicebinding.io/postgresql"

func secretName(tenant *TenantDatabase) string {
	return tenant.Name + "-database"
}

// newSecret is the Secret that the operator would write (core/secret.py), owned from the beginning.
func newSecret(tenant *TenantDatabase, made *CreatedProject) (*corev1.Secret, error) {
	first := made.ConnectionURIs[0]
	login, err := parseLogin(first.URI, first.Parameters.PoolerHost)
	if err != nil {
		return nil, err
	}
	data := login.data()
	secret := &corev1.Secret{Type: secretType, Data: make(map[string][]byte, len(data))}
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	secret.Namespace, secret.Name = tenant.Namespace, secretName(tenant)
	secret.Annotations = map[string]string{
		"neontenants.io/owner-uid":   string(tenant.UID),
		"neontenants.io/owner-name":  tenant.Name,
		"neontenants.io/project-id":  made.Project.ID,
		"neontenants.io/data-digest": digest(data),
	}
	secret.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: groupVersion.String(), Kind: "TenantDatabase", Name: tenant.Name, UID: tenant.UID,
	}}
	return secret, nil
}

// login is what Neon hands out as a URI, in parts.
type login struct {
	host, pooledHost, database, username, password string
	parameters                                     string
}

func parseLogin(uri, pooledHost string) (login, error) {
	parsed, err := url.Parse(uri)
	if err != nil {
		return login{}, errors.New("a connection URI of Neon could not be read") // its error would tell the password
	}
	password, _ := parsed.User.Password()
	return login{
		host:       parsed.Hostname(),
		pooledHost: pooledHost,
		database:   strings.TrimPrefix(parsed.Path, "/"),
		username:   parsed.User.Username(),
		password:   password,
		parameters: parsed.RawQuery,
	}, nil
}

func (l login) data() map[string]string {
	return map[string]string{
		"type":            "postgresql",
		"provider":        "neon",
		"host":            l.host,
		"port":            "5432",
		"dbname":          l.database,
		"database":        l.database,
		"username":        l.username,
		"password":        l.password,
		"uri":             l.uri(l.host),
		"jdbc-uri":        l.jdbcURI(l.host),
		"pgpass":          l.pgpass(l.host) + l.pgpass(l.pooledHost),
		"pooled-host":     l.pooledHost,
		"pooled-uri":      l.uri(l.pooledHost),
		"pooled-jdbc-uri": l.jdbcURI(l.pooledHost),
	}
}

func (l login) uri(host string) string {
	uri := url.URL{
		Scheme:   "postgresql",
		User:     url.UserPassword(l.username, l.password),
		Host:     host,
		Path:     "/" + l.database,
		RawQuery: l.parameters,
	}
	return uri.String()
}

func (l login) jdbcURI(host string) string {
	// pgjdbc has another name for this one of libpq's parameters.
	parameters := strings.ReplaceAll(l.parameters, "channel_binding", "channelBinding")
	user, password := url.QueryEscape(l.username), url.QueryEscape(l.password)
	return "jdbc:postgresql://" + host + ":5432/" + l.database + "?user=" + user + "&password=" + password + "&" + parameters
}

func (l login) pgpass(host string) string {
	return strings.Join([]string{host, "5432", l.database, l.username, l.password}, ":") + "\n"
}

func digest(data map[string]string) string {
	hash := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		hash.Write([]byte(key + "\x00" + data[key] + "\x00"))
	}
	return hex.EncodeToString(hash.Sum(nil))
}
