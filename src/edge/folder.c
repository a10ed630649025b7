/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "base/err.h"
#include "base/file.h"
#include "edge/folder.h"

int folder_open(const char *path, struct err *err)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                                                MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
    AUTO(fd_close) int place = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int mount = -1;

    if (place >= 0) /* with what is mounted below it */
        mount = open_tree(place, "",
                          AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (mount >= 0 &&
        mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) == 0)
        return mount;
    err_sys(err, "cannot open folder '%s'", path);
    fd_close(mount);
    return -1;
}
