"""An SSH server for one folder on this machine: `python -m tests.ssh_server FOLDER CLIENT_KEY`.

It prints its port and accepts the owner of the private key that belongs to CLIENT_KEY.
"""

import asyncio
import sys

import asyncssh


async def serve(folder: str, client_key: str) -> None:
    """Serve files by SFTP until this process ends; the server's `/` is `folder`."""
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=client_key,
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=folder.encode()),
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
