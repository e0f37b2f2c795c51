package main

import (
	"context"
	"encoding/json"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// writes holds the version of our own last write of each tenant: the cache may be older.
type writes struct {
	mutex    sync.Mutex
	versions map[types.UID]string
}

func newWrites() *writes {
	return &writes{versions: map[types.UID]string{}}
}

func (w *writes) note(tenant *TenantDatabase) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.versions[tenant.UID] = tenant.ResourceVersion
}

func (w *writes) forget(uid types.UID) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	delete(w.versions, uid)
}

// newerThan tells whether we have written the tenant since it was as it is here.
func (w *writes) newerThan(tenant *TenantDatabase) bool {
	w.mutex.Lock()
	version, known := w.versions[tenant.UID]
	w.mutex.Unlock()
	if !known {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(tenant.ResourceVersion, version)
	return err == nil && order < 0
}

// patchMetadata writes these fields of a tenant's metadata, unless somebody has written the tenant meanwhile: lists of
// finalizers are written whole.
func (r *Reconciler) patchMetadata(ctx context.Context, tenant *TenantDatabase, fields map[string]any) error {
	fields["resourceVersion"] = tenant.ResourceVersion
	return r.patch(tenant, map[string]any{"metadata": fields}, func(after client.Object, patch client.Patch) error {
		return r.client.Patch(ctx, after, patch)
	})
}

// patchStatus writes those fields of a tenant's status that are not empty.
func (r *Reconciler) patchStatus(ctx context.Context, tenant *TenantDatabase, status TenantStatus) error {
	return r.patch(tenant, map[string]any{"status": status}, func(after client.Object, patch client.Patch) error {
		return r.client.Status().Patch(ctx, after, patch)
	})
}

// patch sends a merge patch; then tenant is as it was answered.
func (r *Reconciler) patch(tenant *TenantDatabase, body any, send func(client.Object, client.Patch) error) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	// A fresh object, since an answer is decoded over what stands in it.
	after := &TenantDatabase{}
	after.Namespace, after.Name = tenant.Namespace, tenant.Name
	if err := send(after, client.RawPatch(types.MergePatchType, text)); err != nil {
		return err
	}
	*tenant = *after
	r.writes.note(tenant)
	return nil
}
