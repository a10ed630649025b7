/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of an instance whose conmon is gone: nobody writes its exit file. So
 * the first process itself is watched, and conmon has a moment after its end.
 */
#pragma once

struct host;

/* Takes the pidfd <fd> of <id>'s first process. Without room for it only conmon will tell. */
void ending_watch(struct host *host, const char *id, int fd);
/* Memory and descriptors only. */
void ending_forget_all(struct host *host);
