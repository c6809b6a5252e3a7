"""The cloud controller: the EC2 interface of the cloud, and what keeps its promises.

A request comes in by `endpoint`, in one of two forms (`soap`, `query`), both bound by the table
in `ec2` to the same method of `api`. The method records what the caller wants and answers. The
loop (`discover`, `plan`, `changes`) makes the clusters agree with what is recorded.
"""
