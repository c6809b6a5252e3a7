from twisted.application.service import ServiceMaker

clc = ServiceMaker("euca CLC", "euca.clc.tap", "The cloud controller of a cloud.", "clc")
cc = ServiceMaker("euca CC", "euca.cc.tap", "The cluster controller of a cluster.", "cc")
nc = ServiceMaker("euca NC", "euca.nc.tap", "The node controller of a host.", "nc")
walrus = ServiceMaker("euca Walrus", "euca.walrus.tap", "The object and image store.", "walrus")
sc = ServiceMaker("euca SC", "euca.sc.tap", "The storage controller of a cluster.", "sc")
